//! kezek-payment
