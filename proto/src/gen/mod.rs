//! This file is @generated from the `.proto` files, like all in this folder.
#![allow(missing_docs, unreachable_pub, rustdoc::all, clippy::all)]

pub mod google {
    pub mod r#type {
        include!("google.type.rs");
    }
}
pub mod trunkline {
    pub mod bus {
        pub mod v1 {
            include!("trunkline.bus.v1.rs");
        }
    }
    pub mod commerce {
        pub mod v1 {
            include!("trunkline.commerce.v1.rs");
        }
    }
    pub mod finance {
        pub mod v1 {
            include!("trunkline.finance.v1.rs");
        }
    }
    pub mod logistics {
        pub mod v1 {
            include!("trunkline.logistics.v1.rs");
        }
    }
    pub mod marketing {
        pub mod v1 {
            include!("trunkline.marketing.v1.rs");
        }
    }
    pub mod options {
        pub mod v1 {
            include!("trunkline.options.v1.rs");
        }
    }
    pub mod party {
        pub mod v1 {
            include!("trunkline.party.v1.rs");
        }
    }
    pub mod sales {
        pub mod v1 {
            include!("trunkline.sales.v1.rs");
        }
    }
    pub mod service {
        pub mod v1 {
            include!("trunkline.service.v1.rs");
        }
    }
}
