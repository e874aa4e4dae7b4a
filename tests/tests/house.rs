//! The house's rules, checked: which room may lean on which, who names what, and what the database itself refuses.

#[path = "house/law.rs"]
mod law;
#[path = "house/migrations.rs"]
mod migrations;
#[path = "house/points.rs"]
mod points;
#[path = "house/rights.rs"]
mod rights;
#[path = "house/rooms.rs"]
mod rooms;
#[path = "house/sources.rs"]
mod sources;
