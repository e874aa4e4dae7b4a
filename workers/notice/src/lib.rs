//! kezek-notice
