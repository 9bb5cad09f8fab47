//! Which workspaces people join by themselves, by the domain of their e-mail address.

use crate::{Email, Role, WorkspaceId};

/// The operator's rules: `example.com=wrk_…:member`, separated by commas.
///
/// They hold for addresses that the company's identity provider vouches for, and when a person
/// comes for the first time: whom an admin has removed does not come back by signing in again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JoinRules(Vec<Rule>);

/// How many workspaces people of one domain join: all of it is one transaction, of 100 rows at most.
const MAX_OF_DOMAIN: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    domain: String,
    workspace: WorkspaceId,
    role: Role,
}

/// Why a text is no list of rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{rule}`: {why}")]
pub struct JoinRulesError {
    rule: String,
    why: &'static str,
}

impl JoinRules {
    /// Parses the rules; an empty text has none.
    pub fn parse(text: &str) -> Result<Self, JoinRulesError> {
        let mut rules: Vec<Rule> = Vec::new();
        for text in text.split(',').map(str::trim).filter(|rule| !rule.is_empty()) {
            let fault = |why| JoinRulesError { rule: text.to_owned(), why };
            let rule = Rule::parse(text).map_err(fault)?;
            let same =
                |other: &Rule| other.domain == rule.domain && other.workspace == rule.workspace;
            if rules.iter().any(same) {
                return Err(fault("there is a rule for this domain and workspace already"));
            }
            if MAX_OF_DOMAIN == rules.iter().filter(|other| other.domain == rule.domain).count() {
                return Err(fault("a domain has at most 20 rules"));
            }
            rules.push(rule);
        }
        Ok(Self(rules))
    }

    /// The workspaces that somebody of this address joins, and as what. A domain does not stand
    /// for those below it.
    pub fn of(&self, email: &Email) -> impl Iterator<Item = (WorkspaceId, Role)> {
        let domain = email.domain();
        let rules = self.0.iter().filter(move |rule| rule.domain == domain);
        rules.map(|rule| (rule.workspace, rule.role))
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "a rule is such as `example.com=wrk_…:member`";
        let (domain, member) = text.split_once('=').ok_or(SHAPE)?;
        let (workspace, role) = member.split_once(':').ok_or(SHAPE)?;
        // In the one spelling in which addresses have it.
        let address = Email::parse(&format!("anybody@{}", domain.trim()));
        let domain = address.map_err(|_| "this is no domain")?.domain().to_owned();
        let workspace =
            WorkspaceId::parse(workspace.trim()).map_err(|_| "this is no id of a workspace")?;
        let role =
            Role::parse(role.trim()).map_err(|_| "a role is `viewer`, `member` or `admin`")?;
        if role == Role::Owner {
            return Err("owners are made by owners");
        }
        Ok(Self { domain, workspace, role })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "wrk_01K9Z0000000000000000000AA";
    const TWO: &str = "wrk_01K9Z0000000000000000000BB";

    fn joined(rules: &str, email: &str) -> Vec<(String, Role)> {
        let rules = JoinRules::parse(rules).unwrap();
        let email = Email::parse(email).unwrap();
        rules.of(&email).map(|(workspace, role)| (workspace.to_string(), role)).collect()
    }

    #[test]
    fn people_join_by_the_domain_of_their_address_and_no_other() {
        let rules = format!(
            " Example.com = {ONE} : member , example.com={TWO}:viewer,münchen.example={ONE}:admin,"
        );
        let member = (ONE.to_owned(), Role::Member);
        let viewer = (TWO.to_owned(), Role::Viewer);
        assert_eq!(joined(&rules, "ada@EXAMPLE.com"), [member, viewer]);
        assert_eq!(joined(&rules, "ada@xn--mnchen-3ya.example")[0].1, Role::Admin);
        for other in ["ada@sub.example.com", "ada@notexample.com", "example.com@example.org"] {
            assert_eq!(joined(&rules, other), [], "{other}");
        }
        assert_eq!(joined("", "ada@example.com"), []);
    }

    #[test]
    fn a_rule_that_cannot_be_meant_is_named() {
        for rule in [
            "example.com".to_owned(),
            format!("example.com={ONE}"),
            format!("example.com={ONE}:owner"),
            format!("example.com={ONE}:boss"),
            "example.com=wrk_1:member".to_owned(),
            format!("={ONE}:member"),
            format!("*={ONE}:member"),
            format!("com={ONE}:member"),
            format!("ada@example.com={ONE}:member"),
        ] {
            let text = format!("ok.example={TWO}:viewer,{rule}");
            let error = JoinRules::parse(&text).unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{rule}`: ")), "{error}");
        }
        let twice = format!("a.example={ONE}:viewer,A.example={ONE}:admin");
        assert!(JoinRules::parse(&twice).is_err());
        // One more than fit into the transaction of a first sign-in.
        let workspace = |n| WorkspaceId::new(jiff::Timestamp::UNIX_EPOCH, n);
        let rules = |n| (0..n).map(|n| format!("a.example={}:viewer,", workspace(n)));
        assert!(JoinRules::parse(&rules(20).collect::<String>()).is_ok());
        assert!(JoinRules::parse(&rules(21).collect::<String>()).is_err());
        let other = format!("{}b.example={ONE}:viewer", rules(20).collect::<String>());
        assert!(JoinRules::parse(&other).is_ok());
    }
}
