//! Congestion control (RFC 5681): how many bytes of a connection may be in flight.
//!
//! A controller is part of the send buffer's state, so a connection has one only while it has data to send,
//! and starts with a new one afterwards. A controller to add is a file in `congestion/` and a line in
//! `controllers!`, at the end of this file; [`Config::congestion`](super::Config) selects it.

mod controller;

use controller::Controller;

/// Declares the modules, the public list of algorithms and the enum that dispatches to them. The first
/// is the default.
macro_rules! controllers {
    ($first_module:ident::$first:ident $(, $(#[$test:meta])? $module:ident::$name:ident)* $(,)?) => {
        mod $first_module;
        $($(#[$test])? mod $module;)*

        /// Algorithms of congestion control.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum CongestionAlgorithm {
            /// The default algorithm.
            #[default]
            $first,
            $($(#[$test])? #[doc = concat!("The algorithm of `", stringify!($module), "`.")] $name,)*
        }

        impl CongestionAlgorithm {
            /// All of them.
            pub const ALL: &[CongestionAlgorithm] =
                &[CongestionAlgorithm::$first $(, $(#[$test])? CongestionAlgorithm::$name)*];
        }

        /// A controller of one of the algorithms.
        #[derive(Clone, Copy, Debug)]
        pub(super) enum CongestionControl {
            $first($first_module::$first),
            $($(#[$test])? $name($module::$name),)*
        }

        impl CongestionControl {
            /// For a connection with nothing in flight.
            pub(super) fn new(algorithm: CongestionAlgorithm) -> CongestionControl {
                match algorithm {
                    CongestionAlgorithm::$first => CongestionControl::$first(Default::default()),
                    $($(#[$test])? CongestionAlgorithm::$name => CongestionControl::$name(Default::default()),)*
                }
            }

            /// See [`Controller::window`].
            #[inline]
            pub(super) fn window(&self, in_flight: u32, mss: u32) -> u32 {
                match self {
                    CongestionControl::$first(controller) => controller.window(in_flight, mss),
                    $($(#[$test])? CongestionControl::$name(controller) => controller.window(in_flight, mss),)*
                }
            }

            /// See [`Controller::on_ack`].
            #[inline]
            pub(super) fn on_ack(&mut self, acked: u32, mss: u32) {
                match self {
                    CongestionControl::$first(controller) => controller.on_ack(acked, mss),
                    $($(#[$test])? CongestionControl::$name(controller) => controller.on_ack(acked, mss),)*
                }
            }

            /// See [`Controller::on_timeout`].
            pub(super) fn on_timeout(&mut self, in_flight: u32, mss: u32) {
                match self {
                    CongestionControl::$first(controller) => controller.on_timeout(in_flight, mss),
                    $($(#[$test])? CongestionControl::$name(controller) => controller.on_timeout(in_flight, mss),)*
                }
            }
        }
    };
}

controllers! {
    stop_and_wait::StopAndWait,
    #[cfg(test)] two_segments::TwoSegments,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;

    /// An idle connection may send, whatever happened before: else it would wait without a timer.
    #[test]
    fn an_idle_connection_may_send_a_full_segment() {
        for &algorithm in CongestionAlgorithm::ALL {
            let mut control = CongestionControl::new(algorithm);
            for _ in 0..100 {
                assert!(control.window(0, MSS) >= MSS, "{algorithm:?}");
                control.on_timeout(MSS, MSS);
                assert!(control.window(0, MSS) >= MSS, "{algorithm:?} after a time-out");
                control.on_ack(MSS, MSS);
            }
        }
    }

    #[test]
    fn stop_and_wait_has_one_segment_in_flight() {
        let control = CongestionControl::new(CongestionAlgorithm::StopAndWait);
        for in_flight in [1, MSS - 1, MSS] {
            assert_eq!(control.window(in_flight, MSS), in_flight);
        }
    }
}
