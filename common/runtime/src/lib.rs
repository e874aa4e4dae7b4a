//! kezek-runtime
