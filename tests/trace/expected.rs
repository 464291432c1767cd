//! What passes in each scenario, and the states of client and server after it, by RFC 9293. The figures
//! are those of its sections 3.3.2, 3.5 and 3.6.
//!
//! `-->` is delivered, `-X` lost, `--.` sent and `.->` received later, `*>` forged. Then the
//! flags as tcpdump writes them, the sequence number, and the acknowledgement.

/// By name of the scenario.
pub const EXPECTED: &[(&str, &str)] = &[
    // Figure 6.
    (
        "handshake",
        "
                CLOSED       LISTEN
--> S 0         SYN-SENT     SYN-RECEIVED
<-- S. 0/1      ESTABLISHED  SYN-RECEIVED
--> . 1/1       ESTABLISHED  ESTABLISHED",
    ),
    (
        "lost-syn",
        "
                CLOSED       LISTEN
-X  S 0         SYN-SENT     LISTEN
--> S 0         SYN-SENT     SYN-RECEIVED
<-- S. 0/1      ESTABLISHED  SYN-RECEIVED
--> . 1/1       ESTABLISHED  ESTABLISHED",
    ),
    (
        "lost-synack",
        "
                CLOSED       LISTEN
--> S 0         SYN-SENT     SYN-RECEIVED
 X- S. 0/1      SYN-SENT     SYN-RECEIVED
--> S 0         SYN-SENT     SYN-RECEIVED
<-- S. 0/1      ESTABLISHED  SYN-RECEIVED
--> . 1/1       ESTABLISHED  ESTABLISHED",
    ),
    (
        "lost-final-ack",
        "
                CLOSED       LISTEN
--> S 0         SYN-SENT     SYN-RECEIVED
<-- S. 0/1      ESTABLISHED  SYN-RECEIVED
-X  . 1/1       ESTABLISHED  SYN-RECEIVED
<-- S. 0/1      ESTABLISHED  SYN-RECEIVED
--> . 1/1       ESTABLISHED  ESTABLISHED",
    ),
    // Figure 8, without the new SYN.
    (
        "old-duplicate-syn",
        "
                CLOSED       LISTEN
--. S 0         SYN-SENT     LISTEN
client Close    CLOSED       LISTEN
.-> S 0         CLOSED       SYN-RECEIVED
<-- S. 0/1      CLOSED       SYN-RECEIVED
--> R 1         CLOSED       LISTEN",
    ),
    (
        "two-way-would-fail",
        "
                CLOSED       LISTEN
--. S 0         SYN-SENT     LISTEN
client Close    CLOSED       LISTEN
.-> S 0         CLOSED       ESTABLISHED
<-- S. 0/1      CLOSED       ESTABLISHED",
    ),
    // Figure 7.
    (
        "simultaneous-open",
        "
                CLOSED       CLOSED
--. S 0         SYN-SENT     CLOSED
<-- S 0         SYN-RECEIVED SYN-SENT
.-> S 0         SYN-RECEIVED SYN-RECEIVED
--. S. 0/1      SYN-RECEIVED SYN-RECEIVED
<-- S. 0/1      ESTABLISHED  SYN-RECEIVED
.-> S. 0/1      ESTABLISHED  ESTABLISHED",
    ),
    // RFC 4987 figure 5: no state before the cookie is back.
    (
        "syn-cookie",
        "
                CLOSED       LISTEN
--> S 0         SYN-SENT     LISTEN
<-- S. 0/1      ESTABLISHED  LISTEN
--> . 1/1       ESTABLISHED  ESTABLISHED",
    ),
    // 3.5.2, first group.
    (
        "refused",
        "
                CLOSED       CLOSED
--> S 0         SYN-SENT     CLOSED
<-- R. 0/1      CLOSED       CLOSED",
    ),
    // Figure 12.
    (
        "close",
        "
                CLOSED       LISTEN
--> S 0         SYN-SENT     SYN-RECEIVED
<-- S. 0/1      ESTABLISHED  SYN-RECEIVED
--> . 1/1       ESTABLISHED  ESTABLISHED
--> F. 1/1      FIN-WAIT-1   CLOSE-WAIT
<-- . 1/2       FIN-WAIT-2   CLOSE-WAIT
<-- F. 1/2      TIME-WAIT    LAST-ACK
--> . 2/2       TIME-WAIT    CLOSED
client TwoMsl   CLOSED       CLOSED",
    ),
    // Figure 12, from the other side.
    (
        "close-server",
        "
                CLOSED       LISTEN
--> S 0         SYN-SENT     SYN-RECEIVED
<-- S. 0/1      ESTABLISHED  SYN-RECEIVED
--> . 1/1       ESTABLISHED  ESTABLISHED
<-- F. 1/1      CLOSE-WAIT   FIN-WAIT-1
--> . 1/2       CLOSE-WAIT   FIN-WAIT-2
--> F. 1/2      LAST-ACK     TIME-WAIT
<-- . 2/2       CLOSED       TIME-WAIT
server TwoMsl   CLOSED       CLOSED",
    ),
    (
        "half-close",
        "
                CLOSED       LISTEN
--> S 0         SYN-SENT     SYN-RECEIVED
<-- S. 0/1      ESTABLISHED  SYN-RECEIVED
--> . 1/1       ESTABLISHED  ESTABLISHED
--> F. 1/1      FIN-WAIT-1   CLOSE-WAIT
<-- P. 1/2      FIN-WAIT-2   CLOSE-WAIT
--> . 2/14      FIN-WAIT-2   CLOSE-WAIT
<-- F. 14/2     TIME-WAIT    LAST-ACK
--> . 2/15      TIME-WAIT    CLOSED",
    ),
    // Figure 5, note 2: FIN-WAIT-1 straight to TIME-WAIT.
    (
        "fin-ack-merged",
        "
                CLOSED       LISTEN
--> S 0         SYN-SENT     SYN-RECEIVED
<-- S. 0/1      ESTABLISHED  SYN-RECEIVED
--> . 1/1       ESTABLISHED  ESTABLISHED
--> F. 1/1      FIN-WAIT-1   CLOSE-WAIT
<-- F. 1/2      TIME-WAIT    LAST-ACK
--> . 2/2       TIME-WAIT    CLOSED",
    ),
    // Figure 13.
    (
        "simultaneous-close",
        "
                CLOSED       LISTEN
--> S 0         SYN-SENT     SYN-RECEIVED
<-- S. 0/1      ESTABLISHED  SYN-RECEIVED
--> . 1/1       ESTABLISHED  ESTABLISHED
--. F. 1/1      FIN-WAIT-1   ESTABLISHED
<-- F. 1/1      CLOSING      FIN-WAIT-1
.-> F. 1/1      CLOSING      CLOSING
--. . 2/2       CLOSING      CLOSING
<-- . 2/2       TIME-WAIT    CLOSING
.-> . 2/2       TIME-WAIT    TIME-WAIT",
    ),
    (
        "lost-last-ack",
        "
                CLOSED       LISTEN
--> S 0         SYN-SENT     SYN-RECEIVED
<-- S. 0/1      ESTABLISHED  SYN-RECEIVED
--> . 1/1       ESTABLISHED  ESTABLISHED
--> F. 1/1      FIN-WAIT-1   CLOSE-WAIT
<-- F. 1/2      TIME-WAIT    LAST-ACK
-X  . 2/2       TIME-WAIT    LAST-ACK
<-- F. 1/2      TIME-WAIT    LAST-ACK
--> . 2/2       TIME-WAIT    CLOSED",
    ),
    // RFC 6191.
    (
        "time-wait-reuse",
        "
                CLOSED       LISTEN
--> S 0         SYN-SENT     SYN-RECEIVED
<-- S. 0/1      ESTABLISHED  SYN-RECEIVED
--> . 1/1       ESTABLISHED  ESTABLISHED
<-- F. 1/1      CLOSE-WAIT   FIN-WAIT-1
--> . 1/2       CLOSE-WAIT   FIN-WAIT-2
--> F. 1/2      LAST-ACK     TIME-WAIT
<-- . 2/2       CLOSED       TIME-WAIT
--> S 0         SYN-SENT     SYN-RECEIVED
<-- S. 0/1      ESTABLISHED  SYN-RECEIVED
--> . 1/1       ESTABLISHED  ESTABLISHED",
    ),
    // 3.10.5.
    (
        "reset",
        "
                CLOSED       LISTEN
--> S 0         SYN-SENT     SYN-RECEIVED
<-- S. 0/1      ESTABLISHED  SYN-RECEIVED
--> . 1/1       ESTABLISHED  ESTABLISHED
--> R. 1/1      CLOSED       CLOSED",
    ),
    // RFC 5961 3.2.
    (
        "challenge-ack",
        "
                CLOSED       LISTEN
--> S 0         SYN-SENT     SYN-RECEIVED
<-- S. 0/1      ESTABLISHED  SYN-RECEIVED
--> . 1/1       ESTABLISHED  ESTABLISHED
 *> R 1001      ESTABLISHED  ESTABLISHED
<-- . 1/1       ESTABLISHED  ESTABLISHED
--> P. 1/1      ESTABLISHED  ESTABLISHED
<-- . 1/11      ESTABLISHED  ESTABLISHED",
    ),
];
