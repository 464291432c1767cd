//! What an active open meets when something is short.
