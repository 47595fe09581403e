//! The options inside attributes: parsing, and the tokens that repeat them at run time.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{Attribute, Expr, ExprLit, Lit, LitBool, LitFloat, LitInt, LitStr, Meta};

/// Options of services, handlers and effects; which of them are allowed where is said by [`Place`].
#[derive(Default)]
pub struct Options {
    pub name: Option<LitStr>,
    pub shared: bool,
    pub retry: Option<Retry>,
    pub timeout: Option<Millis>,
    public: Option<LitBool>,
    inactivity_timeout: Option<Millis>,
    abort_timeout: Option<Millis>,
    idempotency_retention: Option<Millis>,
    journal_retention: Option<Millis>,
}

/// Where an attribute stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Service,
    Handler,
    Effect,
}

#[derive(Default)]
pub struct Retry {
    initial_interval: Option<Millis>,
    factor: Option<f32>,
    max_interval: Option<Millis>,
    max_attempts: Option<u32>,
    max_duration: Option<Millis>,
    pause: Option<bool>,
}

#[derive(Clone, Copy)]
pub struct Millis(u64);

impl Options {
    pub fn parse(place: Place, tokens: TokenStream) -> syn::Result<Self> {
        let mut options = Self::default();
        syn::meta::parser(|meta| options.parse_one(place, &meta)).parse2(tokens)?;
        if let Some(retry) = &mut options.retry {
            // An effect's failure is a result that the handler deals with; a handler's is for an operator.
            retry.pause.get_or_insert(place != Place::Effect);
        }
        Ok(options)
    }

    /// The options of `#[handler]` or `#[handler(…)]`.
    pub fn of_handler(attribute: &Attribute) -> syn::Result<Self> {
        match &attribute.meta {
            Meta::Path(_) => Ok(Self::default()),
            Meta::List(list) => Self::parse(Place::Handler, list.tokens.clone()),
            Meta::NameValue(meta) => {
                Err(syn::Error::new_spanned(meta, "expected `#[handler]` or `#[handler(…)]`"))
            }
        }
    }

    fn parse_one(&mut self, place: Place, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match (place, name.as_str()) {
            (_, "name") => self.name = Some(meta.value()?.parse()?),
            (_, "retry") => self.retry = Some(Retry::parse(meta)?),
            (Place::Handler, "shared") => self.shared = true,
            (Place::Effect, "timeout") => self.timeout = Some(Millis::parse(meta)?),
            (Place::Service | Place::Handler, "public") => self.public = Some(meta.value()?.parse()?),
            (Place::Service | Place::Handler, "inactivity_timeout") => {
                self.inactivity_timeout = Some(Millis::parse(meta)?);
            }
            (Place::Service | Place::Handler, "abort_timeout") => {
                self.abort_timeout = Some(Millis::parse(meta)?)
            }
            (Place::Service | Place::Handler, "idempotency_retention") => {
                self.idempotency_retention = Some(Millis::parse(meta)?);
            }
            (Place::Service | Place::Handler, "journal_retention") => {
                self.journal_retention = Some(Millis::parse(meta)?);
            }
            (Place::Service, _) => return Err(meta.error(UNKNOWN_SERVICE_OPTION)),
            (Place::Handler, _) => return Err(meta.error(UNKNOWN_HANDLER_OPTION)),
            (Place::Effect, _) => return Err(meta.error("expected `name`, `timeout` or `retry`")),
        }
        Ok(())
    }
}

const UNKNOWN_SERVICE_OPTION: &str = "expected `name`, `public`, `inactivity_timeout`, `abort_timeout`, \
    `idempotency_retention`, `journal_retention` or `retry`";
const UNKNOWN_HANDLER_OPTION: &str = "expected `shared`, `name`, `public`, `inactivity_timeout`, `abort_timeout`, \
    `idempotency_retention`, `journal_retention` or `retry`";

impl ToTokens for Options {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let public = optional(&self.public);
        let inactivity_timeout = optional(&self.inactivity_timeout);
        let abort_timeout = optional(&self.abort_timeout);
        let idempotency_retention = optional(&self.idempotency_retention);
        let journal_retention = optional(&self.journal_retention);
        let retry = optional(&self.retry);
        tokens.extend(quote! {
            ::relight::__private::Options {
                public: #public,
                inactivity_timeout: #inactivity_timeout,
                abort_timeout: #abort_timeout,
                idempotency_retention: #idempotency_retention,
                journal_retention: #journal_retention,
                retry: #retry,
            }
        });
    }
}

impl Retry {
    fn parse(meta: &ParseNestedMeta<'_>) -> syn::Result<Self> {
        let mut retry = Self::default();
        meta.parse_nested_meta(|meta| retry.parse_one(&meta))?;
        Ok(retry)
    }

    fn parse_one(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match name.as_str() {
            "initial_interval" => self.initial_interval = Some(Millis::parse(meta)?),
            "factor" => self.factor = Some(parse_factor(meta)?),
            "max_interval" => self.max_interval = Some(Millis::parse(meta)?),
            "max_attempts" => self.max_attempts = Some(parse_attempts(meta)?),
            "max_duration" => self.max_duration = Some(Millis::parse(meta)?),
            "on_exhausted" => self.pause = Some(parse_pause(meta)?),
            _ => {
                return Err(meta.error(
                    "expected `initial_interval`, `factor`, `max_interval`, `max_attempts`, `max_duration` or \
                     `on_exhausted`",
                ));
            }
        }
        Ok(())
    }
}

impl ToTokens for Retry {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let initial_interval = optional(&self.initial_interval);
        let factor = optional(&self.factor);
        let max_interval = optional(&self.max_interval);
        let max_attempts = optional(&self.max_attempts);
        let max_duration = optional(&self.max_duration);
        let pause = self.pause.unwrap_or(false);
        tokens.extend(quote! {
            ::relight::__private::Retry {
                initial_interval: #initial_interval,
                factor: #factor,
                max_interval: #max_interval,
                max_attempts: #max_attempts,
                max_duration: #max_duration,
                pause: #pause,
            }
        });
    }
}

impl Millis {
    fn parse(meta: &ParseNestedMeta<'_>) -> syn::Result<Self> {
        let text: LitStr = meta.value()?.parse()?;
        duration_millis(&text.value()).map(Self).ok_or_else(|| {
            syn::Error::new(
                text.span(),
                "expected a duration such as \"100ms\", \"10s\", \"5m\", \"1h 30m\" or \"2d\"",
            )
        })
    }
}

impl ToTokens for Millis {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

/// `Some(…)` or `None`, as tokens.
pub fn optional(value: &Option<impl ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

/// The doc comments among some attributes, as one text.
pub fn documentation(attributes: &[Attribute]) -> Option<String> {
    let lines: Vec<String> = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    let text = lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n");
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn parse_factor(meta: &ParseNestedMeta<'_>) -> syn::Result<f32> {
    let value = meta.value()?;
    let (factor, span) = if value.peek(LitInt) {
        let literal: LitInt = value.parse()?;
        (literal.base10_parse()?, literal.span())
    } else {
        let literal: LitFloat = value.parse()?;
        (literal.base10_parse()?, literal.span())
    };
    if factor >= 1.0 { Ok(factor) } else { Err(syn::Error::new(span, "a factor is at least 1")) }
}

fn parse_attempts(meta: &ParseNestedMeta<'_>) -> syn::Result<u32> {
    let literal: LitInt = meta.value()?.parse()?;
    match literal.base10_parse()? {
        0 => Err(syn::Error::new(literal.span(), "the first attempt counts: at least 1")),
        attempts => Ok(attempts),
    }
}

fn parse_pause(meta: &ParseNestedMeta<'_>) -> syn::Result<bool> {
    let text: LitStr = meta.value()?.parse()?;
    match text.value().as_str() {
        "pause" => Ok(true),
        "fail" => Ok(false),
        _ => Err(syn::Error::new(text.span(), "expected \"pause\" or \"fail\"")),
    }
}

/// Numbers with units, which add up.
fn duration_millis(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = None;
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let unit_end = rest.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit_millis = match &rest[..unit_end] {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            _ => return None,
        };
        total = Some(count.checked_mul(unit_millis)?.checked_add(total.unwrap_or(0))?);
        rest = rest[unit_end..].trim_start();
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        let cases = [
            ("100ms", Some(100)),
            ("10s", Some(10_000)),
            ("1h 30m", Some(5_400_000)),
            ("1 day", Some(86_400_000)),
            ("0s", Some(0)),
            ("", None),
            ("10", None),
            ("s", None),
            ("10 parsecs", None),
            ("99999999999999999999s", None),
            ("18446744073709551615s", None),
        ];
        for (text, millis) in cases {
            assert_eq!(duration_millis(text), millis, "{text}");
        }
    }
}
