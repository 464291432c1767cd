/// A program that sends every frame back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    AfXdp,
    XdpTx,
}

impl Program {
    pub(super) fn name(self) -> &'static str {
        match self {
            Program::AfXdp => "AF_XDP reflector",
            Program::XdpTx => "XDP_TX reflector",
        }
    }
}
