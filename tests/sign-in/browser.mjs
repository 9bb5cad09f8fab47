// A browser as far as signing in needs one: it keeps cookies by host and port, and follows no
// redirect by itself, so that each one can be looked at.
export class Browser {
  #cookies = new Map();

  async get(url) {
    return this.#send(url, { method: "GET" });
  }

  async post(url, form) {
    return this.#send(url, { method: "POST", body: new URLSearchParams(form) });
  }

  // Follows redirects for as long as they stay at one origin; returns the first address elsewhere.
  async followWithin(origin, response) {
    for (let hops = 0; hops < 10; hops += 1) {
      const location = response.headers.get("location");
      if (location === null) return { response };
      const next = new URL(location, response.url);
      if (next.origin !== origin) return { location: next.href };
      response = await this.get(next.href);
    }
    throw new Error(`too many redirects at ${origin}`);
  }

  cookies(url) {
    return this.#cookies.get(new URL(url).host) ?? new Map();
  }

  async #send(url, init) {
    const cookies = this.cookies(url);
    const headers = {};
    if (cookies.size > 0) {
      headers.cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    }
    const response = await fetch(url, { ...init, headers, redirect: "manual" });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(";").map((part) => part.trim());
      const at = pair.indexOf("=");
      const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
      const isOver = attributes.some(
        (it) => /^expires=thu, 01 jan 1970/i.test(it) || /^max-age=0$/i.test(it),
      );
      if (isOver || value === "") cookies.delete(name);
      else cookies.set(name, value);
    }
    this.#cookies.set(new URL(url).host, cookies);
    return response;
  }
}
