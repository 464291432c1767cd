use serde::{Deserialize, Serialize};

use super::Status;

/// One line to the program. In JSON: `{"ask":"status"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// Answered by one [`Reply::Status`].
    Status {
        /// Count connections by state, too: every one is looked at.
        #[serde(default)]
        states: bool,
    },
}

/// One line back. In JSON: `{"status":{…}}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Status(Box<Status>),
    /// Nothing was done; why, in a sentence.
    Error(String),
}
