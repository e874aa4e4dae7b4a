//! kezek-recovery
