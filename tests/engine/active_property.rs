//! Whatever arrives for connections that we opened: no panic, no lost frame.
