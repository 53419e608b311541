//! What the suite gives to those who bring a driver: a test for each promise.

/// Makes a test of each promise that a driver makes, in the module in which it stands: `conformance!(async subject)`
/// or `conformance!(blocking subject)`, where `subject` is a function that makes the driver, a
/// [`Subject`](crate::conformance::Subject).
#[macro_export]
macro_rules! conformance {
    (async $subject:path) => {
        $crate::__conformance_promises! { $crate::__conformance_tests { async $subject; } }
    };
    (blocking $subject:path) => {
        $crate::__conformance_promises! { $crate::__conformance_tests { blocking $subject; } }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($kind:ident $subject:path; $($made_by:ident: $name:ident)*) => { $(
        $crate::__conformance_test! { $kind $made_by $subject, $name }
    )* };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_test {
    (async Blocking $subject:path, $name:ident) => {};
    (blocking Async $subject:path, $name:ident) => {};
    ($kind:ident $made_by:ident $subject:path, $name:ident) => {
        #[test]
        fn $name() {
            $crate::conformance::prove(stringify!($name), $subject());
        }
    };
}
