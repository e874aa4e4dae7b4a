//! kezek-refund
