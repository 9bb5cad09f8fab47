//! `GET|HEAD /{slug}`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http_then(
        env!("CARGO_PKG_NAME"),
        redirect::load,
        redirect::handle,
        redirect::send_click,
    )
}
