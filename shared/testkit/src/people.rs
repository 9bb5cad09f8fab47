//! The people of the events, and what they hold: the same values as in `events/`.

/// Ada, the owner of the events' workspace.
pub const ADA: &str = "usr_01K9Z0000000000000000000TA";

/// Ada's e-mail address.
pub const ADA_EMAIL: &str = "ada@example.com";

/// Grace, a member of the events' workspace.
pub const GRACE: &str = "usr_01K9Z0000000000000000000TB";

/// Grace's e-mail address.
pub const GRACE_EMAIL: &str = "grace@example.com";

/// Alan, the owner of the stranger's workspace.
pub const ALAN: &str = "usr_01K9Z0000000000000000000TC";

/// Alan's e-mail address.
pub const ALAN_EMAIL: &str = "alan@example.com";

/// Somebody with an invitation and without an account.
pub const LINUS_EMAIL: &str = "linus@example.com";

/// Everybody's password.
pub const PASSWORD: &str = "an example of four words";

/// The invitation of Linus.
pub const INVITATION: &str = "inv_01M7WJW2A00000000000000001";

/// What Linus accepts it with.
pub const INVITATION_TOKEN: &str =
    "si_01M7WJW2A0000000000000000180zZHH4xUC3F6sSHliFk0kJjGOXbBgN5H7iGrxLVeX5fKpOT7";

/// The invitation of Alan.
pub const INVITATION_OF_ALAN: &str = "inv_01M7WJW2A00000000000000002";

/// What Alan accepts it with.
pub const INVITATION_TOKEN_OF_ALAN: &str =
    "si_01M7WJW2A00000000000000002zSqtq207AHxIEOj9DhIECJXqAo4ZNtrwjAcG5iKRXh6xuh7uR";

/// The events' API key.
pub const KEY: &str = "key_01K9Z0000000000000000000KA";

/// The same, as its holder has it.
pub const API_KEY: &str =
    "sp_01K9Z0000000000000000000KAkUjuRc4NZVlQI6JWhEWVd0ZshSQC3d9E16g6s98jgT57paBRY";

/// Ada's session.
pub const SESSION: &str = "ses_2PTPE1SH950JDNAGHB3X514K9M";

/// The refresh token of Ada's session.
pub const REFRESH_TOKEN: &str =
    "sr_baCpayXXWa22CPneoJEefrfgsuz3cQS0NJt9YyYNf8ESb8ukeHxiGISSi7v3ICnpPeH47EwS8fo";
