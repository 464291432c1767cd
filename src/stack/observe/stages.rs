use super::named::named_enum;

named_enum! {
    /// The stages of one iteration of a core's loop, in order.
    Stage,
    /// Every stage, in order.
    STAGES;
    Receive, "receive", "Frames from the receive ring, and forwarded frames.";
    Parse, "parse", "Parse, hash, prefetch; replies that need no connection.";
    LookUp, "look_up", "Find the connection of each segment.";
    Tcp, "tcp", "Process each segment; create connections; immediate replies.";
    Replies, "replies", "Replies at the end of the batch.";
    Timers, "timers", "Expired timers.";
    ActiveOpen, "active_open", "Pending output, and the active opener.";
    Flush, "flush", "Frames to the transmit ring, and the wake-up.";
}
