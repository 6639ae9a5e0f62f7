//! One frame of the journal: forty bytes, a payload, zeros up to a multiple of eight.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..4 | `PJR` and the kind: `S` segment head, `D` data, `F` fence |
//! | 4..8 | CRC-32C of bytes 0..4, 8..40 and the payload |
//! | 8..12 | payload length |
//! | 12..16 | zero |
//! | 16..24 | sequence number |
//! | 24..32 | highest sequence number that was known durable when this frame was made |
//! | 32..40 | time, milliseconds since 1970 |
//!
//! Numbers are little-endian. A frame that proves others durable turns "something is missing" into
//! a fact instead of a guess: see `chain`.

use crate::paths::UnixMs;

/// Bytes before the payload.
pub(crate) const HEAD_BYTES: usize = 40;
/// Frames begin at multiples of this.
pub(crate) const ALIGN: usize = 8;

const MARK: [u8; 3] = *b"PJR";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first frame of a segment; its number is that of the first record that may follow.
    SegmentHead,
    /// A record.
    Data,
    /// Nothing but the word that everything up to its number is durable.
    Fence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    pub(crate) seq: u64,
    pub(crate) synced: u64,
    pub(crate) at: UnixMs,
    pub(crate) payload: &'a [u8],
}

impl Kind {
    const fn letter(self) -> u8 {
        match self {
            Self::SegmentHead => b'S',
            Self::Data => b'D',
            Self::Fence => b'F',
        }
    }

    const fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'S' => Some(Self::SegmentHead),
            b'D' => Some(Self::Data),
            b'F' => Some(Self::Fence),
            _ => None,
        }
    }
}

/// The bytes that a frame with such a payload takes.
pub(crate) const fn frame_bytes(payload: usize) -> usize {
    (HEAD_BYTES + payload).next_multiple_of(ALIGN)
}

/// Appends a frame to `out`. The payload is at most `u32::MAX` bytes: the writer refuses longer ones.
pub(crate) fn encode(out: &mut Vec<u8>, frame: &Frame<'_>) {
    let length = u32::try_from(frame.payload.len()).unwrap_or(u32::MAX);
    let start = out.len();
    out.extend_from_slice(&MARK);
    out.push(frame.kind.letter());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&frame.seq.to_le_bytes());
    out.extend_from_slice(&frame.synced.to_le_bytes());
    out.extend_from_slice(&frame.at.0.to_le_bytes());
    out.extend_from_slice(frame.payload);
    let checksum = checksum(&out[start..]);
    out[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    out.resize(start + frame_bytes(frame.payload.len()), 0);
}

/// The frame at the start of `bytes`; `None` if there is no whole and sound one.
pub(crate) fn decode(bytes: &[u8]) -> Option<Frame<'_>> {
    let head = bytes.get(..HEAD_BYTES)?;
    if head.get(..3)? != MARK || head.get(12..16)? != [0; 4] {
        return None;
    }
    let kind = Kind::from_letter(*head.get(3)?)?;
    let length = usize::try_from(u32::from_le_bytes(array(head, 8)?)).ok()?;
    let end = HEAD_BYTES.checked_add(length)?;
    let whole = bytes.get(..end.checked_next_multiple_of(ALIGN)?)?;
    let (body, padding) = whole.split_at_checked(end)?;
    if padding.iter().any(|b| *b != 0) || checksum(body).to_le_bytes() != array::<4>(head, 4)? {
        return None;
    }
    Some(Frame {
        kind,
        seq: u64::from_le_bytes(array(head, 16)?),
        synced: u64::from_le_bytes(array(head, 24)?),
        at: UnixMs(i64::from_le_bytes(array(head, 32)?)),
        payload: body.get(HEAD_BYTES..)?,
    })
}

/// Over a frame without its padding; the checksum's own four bytes are left out.
fn checksum(frame: &[u8]) -> u32 {
    let (mark, rest) = frame.split_at(4);
    crc32c::crc32c_append(crc32c::crc32c(mark), &rest[4..])
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(payload: &[u8]) -> Vec<u8> {
        let mut out = vec![7; 16];
        let frame = Frame {
            kind: Kind::Data,
            seq: 42,
            synced: 41,
            at: UnixMs(-5),
            payload,
        };
        encode(&mut out, &frame);
        assert_eq!(decode(&out[16..]), Some(frame));
        out.split_off(16)
    }

    #[test]
    fn every_payload_length_comes_back_and_is_aligned() {
        for length in 0..50 {
            let payload: Vec<u8> = (0..length).collect();
            let bytes = sample(&payload);
            assert_eq!(bytes.len() % ALIGN, 0);
            assert_eq!(bytes.len(), frame_bytes(payload.len()));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let bytes = sample(b"{\"what\":\"a record\"}");
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                assert_eq!(decode(&bad), None, "byte {at} bit {bit}");
            }
            assert_eq!(decode(&bytes[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn zeros_are_no_frame() {
        assert_eq!(decode(&[0; 64]), None);
    }
}
