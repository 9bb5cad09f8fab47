//! The shapes of the API that several functions share.
