//! Random numbers from a seed.

/// Numbers that look random and are the same for the same seed.
///
/// Inside of [`executor::test::explore`], take the seed from the run's network:
/// `Dice::new(network.random())`.
///
/// ```
/// use tests::kit::Dice;
///
/// let (mut one, mut other) = (Dice::new(7), Dice::new(7));
/// assert!((0..100).all(|_| one.roll(6) == other.roll(6)));
/// ```
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice with this seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        // G. Marsaglia, "Xorshift RNGs", 2003.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// A number below `sides`, as an index.
    pub fn index(&mut self, sides: usize) -> usize {
        self.roll(sides as u64) as usize
    }

    /// True with a probability of one in `sides`.
    pub fn once_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}
