//! kezek-gateway
