//! The steering program, frame in, verdict out, through `BPF_PROG_TEST_RUN`; and its attachment to
//! a real interface. Needs CAP_BPF and CAP_NET_ADMIN.

mod attach;
mod frames;
mod kernel;
mod live;
mod protocols;
mod rules;
mod tier;
mod tier_acks;
mod tier_flows;
mod tier_frames;
mod tier_rules;
mod tier_syns;
mod tier_usual;
mod truncation;
mod verdicts;
