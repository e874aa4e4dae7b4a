//! kezek-intake
