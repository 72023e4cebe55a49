//! Edits of sound files whose checksums are made right again, so that what they say is believed.

use layouts::container::checksum;

/// Bytes before the table of sections.
const FRONT: usize = 64;

/// The sample that the first byte names, with the edits that the others are: a place (three bytes) and what is
/// written there (four).
pub fn forged(bytes: &[u8], samples: &[Vec<u8>]) -> Option<Vec<u8>> {
    let (&first, edits) = bytes.split_first()?;
    let mut forged = samples[usize::from(first) % samples.len()].clone();
    for edit in edits.chunks_exact(7) {
        let at = u32::from_le_bytes([edit[0], edit[1], edit[2], 0]) as usize % forged.len();
        let len = (forged.len() - at).min(4);
        forged[at..at + len].copy_from_slice(&edit[3..3 + len]);
    }
    reseal(&mut forged);
    Some(forged)
}

/// Makes every checksum that can be reached right again.
fn reseal(bytes: &mut [u8]) {
    let word = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    let count = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let end = FRONT.saturating_add(count.saturating_mul(64));
    if end <= bytes.len() {
        for entry in (FRONT..end).step_by(64) {
            let (offset, len) = (word(bytes, entry + 24), word(bytes, entry + 32));
            if let Some(section) = bytes.get(offset..offset.saturating_add(len)) {
                let sum = checksum(section);
                bytes[entry + 40..entry + 48].copy_from_slice(&sum.to_le_bytes());
            }
        }
        let sum = checksum(&bytes[FRONT..end]);
        bytes[48..56].copy_from_slice(&sum.to_le_bytes());
    }
    let sum = checksum(&bytes[..56]);
    bytes[56..64].copy_from_slice(&sum.to_le_bytes());
}
