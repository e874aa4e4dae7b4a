//! kezek-review
