//! First answers to requests with an idempotency key. They are written with what they answer, see
//! [`crate::Journal`].

use jiff::Timestamp;

use super::{AccountStore, ReadAccountError};
use crate::journal::{Answer, read_answer};
use crate::keys;

impl AccountStore {
    /// The answer of this id, if it was given in the last 24 hours. One consistent `GetItem`.
    pub async fn find_answer(
        &self,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<Answer>, ReadAccountError> {
        let item = self.row(&keys::answer(id), format!("reading the answer `{id}`")).await?;
        Ok(item.map(|item| read_answer(id, &item, now)).transpose()?.flatten())
    }
}
