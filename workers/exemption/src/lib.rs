//! kezek-exemption
