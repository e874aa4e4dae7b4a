//! kezek-testkit
