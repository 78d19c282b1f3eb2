//! The codecs a batch's records may be compressed with. For compaction, timestamp look-ups and tools: the broker never
//! decompresses what a client produces.

use std::io::{self, Read, Write};

use crate::batch::attributes;

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// Raw snappy, or the blocks of the Java library ("xerial").
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// Zstandard frames (KIP-110).
    Zstd,
}

/// Why bytes cannot be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecFault {
    /// They are not what the codec writes.
    #[error("the compressed records are damaged")]
    Damaged,
    /// They would decompress to more than the limit.
    #[error("the records decompress to more than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

impl Codec {
    /// The codec that a batch's attributes name; `None` for the numbers 5 to 7, which Kafka does not define.
    pub fn of(attributes: i16) -> Option<Codec> {
        match attributes & attributes::CODEC_MASK {
            0 => Some(Codec::None),
            1 => Some(Codec::Gzip),
            2 => Some(Codec::Snappy),
            3 => Some(Codec::Lz4),
            4 => Some(Codec::Zstd),
            _ => None,
        }
    }

    /// The attribute bits that name it.
    pub fn bits(self) -> i16 {
        self as i16
    }
}

/// Decompresses `bytes`, giving up once there are more than `limit` bytes of output.
pub fn decompress(codec: Codec, bytes: &[u8], limit: usize) -> Result<Vec<u8>, CodecFault> {
    match codec {
        Codec::None if bytes.len() > limit => Err(CodecFault::TooLarge { limit }),
        Codec::None => Ok(bytes.to_vec()),
        Codec::Gzip => drain(flate2::read::MultiGzDecoder::new(bytes), limit),
        Codec::Snappy => decompress_snappy(bytes, limit),
        Codec::Lz4 => drain(lz4_flex::frame::FrameDecoder::new(bytes), limit),
        Codec::Zstd => {
            let window_max = (limit as u64).clamp(ZSTD_WINDOW_MIN, ruzstd::decoding::DEFAULT_MAX_WINDOW_SIZE);
            let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(bytes, window_max)
                .map_err(|_| CodecFault::Damaged)?;
            drain(decoder, limit)
        }
    }
}

/// Compresses `bytes`, at the codec's fast level.
pub fn compress(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    let written: io::Result<Vec<u8>> = match codec {
        Codec::None => Ok(bytes.to_vec()),
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
        Codec::Snappy => Ok(compress_snappy(bytes)),
        Codec::Lz4 => {
            // 64 KiB independent blocks without checksums, as Kafka's clients write them.
            let frame = lz4_flex::frame::FrameInfo::new().block_size(lz4_flex::frame::BlockSize::Max64KB);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, Vec::new());
            encoder
                .write_all(bytes)
                .and_then(|()| encoder.finish().map_err(io::Error::from))
        }
        Codec::Zstd => Ok(ruzstd::encoding::compress_to_vec(
            bytes,
            ruzstd::encoding::CompressionLevel::Fastest,
        )),
    };
    written.expect("writing to memory does not fail")
}

fn drain(reader: impl Read, limit: usize) -> Result<Vec<u8>, CodecFault> {
    let mut out = Vec::new();
    reader
        .take(limit as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|_| CodecFault::Damaged)?;
    if out.len() > limit {
        return Err(CodecFault::TooLarge { limit });
    }
    Ok(out)
}

fn decompress_snappy(bytes: &[u8], limit: usize) -> Result<Vec<u8>, CodecFault> {
    let mut out = Vec::new();
    let Some(mut rest) = xerial_blocks(bytes) else {
        append_snappy_block(bytes, limit, &mut out)?;
        return Ok(out);
    };
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or(CodecFault::Damaged)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (block, after) = after.split_at_checked(length).ok_or(CodecFault::Damaged)?;
        append_snappy_block(block, limit, &mut out)?;
        rest = after;
    }
    Ok(out)
}

/// The length-prefixed blocks of the Java library's framing, or `None` if the bytes do not begin as it does.
fn xerial_blocks(bytes: &[u8]) -> Option<&[u8]> {
    // 8 bytes of magic, a version and the lowest version that can read it.
    bytes
        .starts_with(XERIAL_MAGIC)
        .then(|| bytes.get(XERIAL_MAGIC.len() + 8..))
        .flatten()
}

fn append_snappy_block(block: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), CodecFault> {
    let length = snap::raw::decompress_len(block).map_err(|_| CodecFault::Damaged)?;
    if length > limit.saturating_sub(out.len()) {
        return Err(CodecFault::TooLarge { limit });
    }
    // Snappy's densest element makes 64 bytes from 3, so a block that claims more lies: refuse before allocating.
    if length > block.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(CodecFault::Damaged);
    }
    let start = out.len();
    out.resize(start + length, 0);
    let written = snap::raw::Decoder::new()
        .decompress(block, &mut out[start..])
        .map_err(|_| CodecFault::Damaged)?;
    if written == length {
        Ok(())
    } else {
        Err(CodecFault::Damaged)
    }
}

fn compress_snappy(bytes: &[u8]) -> Vec<u8> {
    let mut out = XERIAL_MAGIC.to_vec();
    out.extend_from_slice(&1u32.to_be_bytes());
    out.extend_from_slice(&1u32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for block in bytes.chunks(XERIAL_BLOCK_SIZE) {
        let compressed = encoder
            .compress_vec(block)
            .expect("a block is far shorter than snappy's limit");
        out.extend_from_slice(&(compressed.len() as u32).to_be_bytes());
        out.extend_from_slice(&compressed);
    }
    out
}

const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
/// The Java library's default block.
const XERIAL_BLOCK_SIZE: usize = 32 * 1024;
const SNAPPY_RATIO_MAX: usize = 32;
/// Frames name windows of up to 8 MiB at the levels clients use, however small their content.
const ZSTD_WINDOW_MIN: u64 = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    #[test]
    fn raw_snappy_is_read_as_well_as_the_java_framing() {
        let plain = b"one two one two one two".repeat(10);
        let raw = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
        assert_eq!(decompress(Codec::Snappy, &raw, 1000), Ok(plain.clone()));
        assert!(compress(Codec::Snappy, &plain).starts_with(XERIAL_MAGIC));
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let zeros = vec![0; 1 << 20];
        for codec in ALL {
            let packed = compress(codec, &zeros);
            let refused = decompress(codec, &packed, 1 << 16);
            assert_eq!(refused, Err(CodecFault::TooLarge { limit: 1 << 16 }), "{codec:?}");
        }
    }

    #[test]
    fn the_numbers_5_to_7_name_no_codec() {
        for codec in ALL {
            assert_eq!(Codec::of(codec.bits() | attributes::TRANSACTIONAL), Some(codec));
        }
        assert_eq!(Codec::of(5), None);
        assert_eq!(Codec::of(7), None);
    }

    proptest! {
        #[test]
        fn what_is_compressed_is_decompressed(bytes in prop::collection::vec(0u8..8, 0..100_000)) {
            for codec in ALL {
                let packed = compress(codec, &bytes);
                prop_assert_eq!(decompress(codec, &packed, bytes.len()), Ok(bytes.clone()));
            }
        }

        #[test]
        fn any_bytes_are_decompressed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..60) {
            for codec in ALL {
                let _ = decompress(codec, &bytes, 10_000);
                let mut packed = compress(codec, &bytes);
                if let Some(byte) = packed.get_mut(cut) {
                    *byte ^= 0x55;
                }
                let _ = decompress(codec, &packed, 10_000);
                let _ = decompress(codec, &packed[..packed.len().saturating_sub(cut)], 10_000);
            }
        }
    }
}
