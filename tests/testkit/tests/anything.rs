//! Whatever a driver brings, in whatever order: a client keeps its promises. The fuzz target `inputs` asks the
//! same of bytes that it has searched for.

use pglock_testkit::drive_bytes;
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_driver(bytes in proptest::collection::vec(any::<u8>(), 0..1_000)) {
        if let Err(misdeed) = drive_bytes(&bytes) {
            prop_assert!(false, "{misdeed}");
        }
    }
}
