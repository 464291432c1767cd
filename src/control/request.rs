use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Connection, Filter, Status};

/// One line to the program, in JSON: `{"ask":"status"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// Answered by one [`Reply::Status`].
    Status {
        /// Also count connections by state, which reads every connection.
        #[serde(default)]
        states: bool,
    },
    /// Answered by a [`Reply::Connection`] for each, in no particular order, and a [`Reply::End`].
    Connections(Filter),
    /// Answered by one [`Reply::States`].
    Count(Filter),
}

/// One line back. In JSON: `{"status":{…}}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Status(Box<Status>),
    Connection(Box<Connection>),
    /// Connections by state.
    States(BTreeMap<String, u64>),
    End(End),
    /// Nothing was done: the reason.
    Error(String),
}

/// The end of a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub listed: u64,
    /// There may be more: the filter's limit was reached.
    pub limited: bool,
}
