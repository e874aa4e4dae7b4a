//! kezek-production
