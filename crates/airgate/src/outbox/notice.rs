//! How a message ends, as whoever gave it is told.

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The cloud acknowledged it.
    Settled {
        /// Which.
        seq: u64,
    },
    /// It will not be sent any more.
    Dropped {
        /// Which.
        seq: u64,
        /// Why.
        reason: DropReason,
    },
}

impl Notice {
    /// The number of the message.
    pub fn seq(&self) -> u64 {
        let (Self::Settled { seq } | Self::Dropped { seq, .. }) = self;
        *seq
    }
}

/// Why a message left without an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// Its time to live ran out.
    Ttl,
    /// The ring of QoS 0 messages was full.
    RingFull,
    /// Its record on the disk is damaged.
    Corrupt,
    /// It cannot be sent: the cloud does not take its topic, or the module refuses it again and again.
    Unsendable,
    /// It gave way to a newer one when the outbox was full.
    Full,
    /// It waited longer than any message may.
    MaxAge,
    /// An operator dropped it.
    Operator,
}

impl DropReason {
    /// As programs are told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ttl => "ttl",
            Self::RingFull => "outbox_full",
            Self::Corrupt => "corrupt",
            Self::Unsendable => "unsendable",
            Self::Full => "outbox_full",
            Self::MaxAge => "max_age",
            Self::Operator => "operator",
        }
    }
}
