//! kezek
