//! What runs side by side.
