//! kezek-issuance
