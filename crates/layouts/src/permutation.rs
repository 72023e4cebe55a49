//! A new order of rows: checked once, applied to everything that is numbered by row.

use bytemuck::Pod;

use crate::aligned::AlignedVec;
use crate::error::{Error, expect_below, expect_len, reserve, wide};

/// Every number of `0..n` once: `order[new]` is the old number of what gets the number `new`.
///
/// ```
/// use layouts::Permutation;
/// let by_zone = Permutation::new(vec![2, 0, 1])?;
/// assert_eq!(&by_zone.apply(&[10u32, 11, 12])?[..], [12, 10, 11]);
/// assert_eq!(by_zone.inverse()?.order(), [1, 2, 0]); // old number -> new number
/// # Ok::<(), layouts::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permutation {
    order: Vec<u32>,
}

impl Permutation {
    /// The permutation in which number `new` was `order[new]`.
    ///
    /// # Errors
    /// [`Error::Range`] or [`Error::Duplicate`] if `order` is none; [`Error::Memory`].
    pub fn new(order: Vec<u32>) -> Result<Self, Error> {
        let mut seen = crate::visited::VisitedBits::new(order.len())?;
        for &old in &order {
            expect_below("order", old as usize, order.len())?;
            if !seen.insert(old) {
                return Err(Error::Duplicate { argument: "order", value: u64::from(old) });
            }
        }
        Ok(Self { order })
    }

    /// The permutation that leaves `0..n` as it is.
    ///
    /// # Errors
    /// [`Error::Range`] if `n` is more than `u32` numbers; [`Error::Memory`].
    pub fn identity(n: usize) -> Result<Self, Error> {
        let end = u32::try_from(n).map_err(|_| Error::Range {
            argument: "n",
            value: wide(n),
            limit: u64::from(u32::MAX) + 1,
        })?;
        let mut order = Vec::new();
        reserve(&mut order, n)?;
        order.extend(0..end);
        Ok(Self { order })
    }

    /// The old number of each new one.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The permutation that undoes this one: the new number of each old one.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn inverse(&self) -> Result<Self, Error> {
        let mut order = Vec::new();
        reserve(&mut order, self.len())?;
        order.resize(self.len(), 0);
        for (new, &old) in (0..).zip(&self.order) {
            if let Some(place) = order.get_mut(old as usize) {
                *place = new;
            }
        }
        Ok(Self { order })
    }

    /// `items` in the new order.
    ///
    /// # Errors
    /// [`Error::Length`] unless there are as many items as numbers; [`Error::Memory`].
    pub fn apply<T: Pod>(&self, items: &[T]) -> Result<AlignedVec<T>, Error> {
        expect_len("items", self.len(), items.len())?;
        let mut out = AlignedVec::zeroed(items.len())?;
        for (to, &old) in out.iter_mut().zip(&self.order) {
            *to = items[old as usize]; // below the length: the invariant
        }
        Ok(out)
    }
}
