//! Where configuration comes from. A source gives raw objects and says what is wrong with its
//! input; what they mean is the store's affair.

pub mod directory;
mod files;

#[cfg(test)]
mod files_tests;

pub use files::{Files, Reading};
