//! The gateway client against the sandbox, over HTTP on loopback, both ways.

#[cfg(test)]
mod faults;
#[cfg(test)]
mod money;
#[cfg(test)]
mod ncanode;
#[cfg(test)]
mod registers;
#[cfg(test)]
mod town;
