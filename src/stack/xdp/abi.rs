//! The numbers of `bpf/abi.h`, as `bpf/steer.rs` read them. The C side asserts the sizes and offsets
//! among them of its own structs.

include!(concat!(env!("OUT_DIR"), "/constants.rs"));
