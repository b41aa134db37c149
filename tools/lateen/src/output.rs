//! Standard output, for commands whose output may be cut short (`| head`).

use std::io::Write;

use crate::failure::Failure;

/// Prints `text` as it is.
///
/// # Errors
/// When it cannot be written; a closed pipe ends the program without a word.
pub fn text(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Prints one line.
///
/// # Errors
/// As [`text`].
pub fn line(line: impl AsRef<str>) -> Result<(), Failure> {
    text(&format!("{}\n", line.as_ref()))
}
