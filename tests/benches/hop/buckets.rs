//! Reads histograms off a metrics page: what operators see is what is measured.

use anyhow::{Context as _, Result};
use kezek_runtime::Metrics;

/// A histogram at one instant: upper bounds and cumulative counts.
#[derive(Clone, Debug, Default)]
pub struct Buckets(Vec<(f64, f64)>);

impl Buckets {
    /// The histogram's series whose labels hold `labels`, all added up.
    pub fn read(metrics: &Metrics, name: &str, labels: &str) -> Result<Self> {
        let page = metrics.page()?;
        let mut all: Vec<(f64, f64)> = Vec::new();
        for line in page.lines().filter(|l| l.starts_with(&format!("{name}_bucket{{")) && l.contains(labels)) {
            let (head, count) = line.rsplit_once(' ').context("a line without a number")?;
            let le = head.split("le=\"").nth(1).and_then(|t| t.split('"').next()).context("a bucket without le")?;
            let le = if le == "+Inf" { f64::INFINITY } else { le.parse()? };
            let count: f64 = count.parse()?;
            match all.iter_mut().find(|(bound, _)| *bound == le) {
                Some((_, sum)) => *sum += count,
                None => all.push((le, count)),
            }
        }
        anyhow::ensure!(!all.is_empty(), "{name} is not on the metrics page");
        Ok(Self(all))
    }
    /// What has been counted since `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self(self.0.iter().zip(&before.0).map(|((le, now), (_, then))| (*le, now - then)).collect())
    }
    /// How many were counted.
    pub fn count(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, n)| *n)
    }
    /// The value below which the share `q` of all lies, interpolated on the logarithm within its bucket.
    pub fn quantile(&self, q: f64) -> f64 {
        let rank = q * self.count();
        let mut below = (0.0, 0.0);
        for (le, n) in &self.0 {
            if *n >= rank && *n > 0.0 {
                if le.is_infinite() {
                    return below.0;
                }
                let share = ((rank - below.1) / (n - below.1).max(1.0)).clamp(0.0, 1.0);
                let from: f64 = if below.0 > 0.0 { below.0 } else { le / 2.0 };
                return from * (le / from).powf(share);
            }
            below = (*le, *n);
        }
        below.0
    }
    /// Each bucket's own count, by its upper bound, empty ones left out.
    pub fn shares(&self) -> Vec<(String, u64)> {
        let mut below = 0.0;
        let mut out = Vec::new();
        for (le, n) in &self.0 {
            if *n > below {
                out.push((format!("≤{le}"), (n - below) as u64));
            }
            below = *n;
        }
        out
    }
}
