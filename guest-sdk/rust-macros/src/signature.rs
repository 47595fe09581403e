//! The parts of a handler's or effect's signature that the expansions need.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, GenericArgument, Ident, Pat, PathArguments, ReturnType, Signature, Type};

/// What a function returns.
pub struct Returned {
    /// The type of the value.
    pub value: TokenStream,
    /// Whether it can fail: the written type is a `Result`.
    pub fallible: bool,
}

/// Refuse what no handler or effect may be.
pub fn check(signature: &Signature, what: &str) -> syn::Result<()> {
    if signature.asyncness.is_none() {
        return Err(syn::Error::new_spanned(signature.fn_token, format!("{what} is an `async fn`")));
    }
    if !signature.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(&signature.generics, format!("{what} is not generic")));
    }
    Ok(())
}

/// An argument's name and type.
pub fn argument(argument: &FnArg) -> syn::Result<(Ident, &Type)> {
    let FnArg::Typed(argument) = argument else {
        return Err(syn::Error::new_spanned(
            argument,
            "handlers and effects have no `self`: an instance lives for one attempt",
        ));
    };
    if let Type::Reference(reference) = &*argument.ty {
        return Err(syn::Error::new_spanned(reference, "the argument arrives as JSON: take it by value"));
    }
    let name = match &*argument.pat {
        Pat::Ident(pattern) => pattern.ident.clone(),
        _ => Ident::new("argument", proc_macro2::Span::call_site()),
    };
    Ok((name, &argument.ty))
}

/// The type that travels: the `T` of `Result<T, _>`, else the whole type.
pub fn returned(output: &ReturnType) -> Returned {
    let ReturnType::Type(_, written) = output else {
        return Returned { value: quote!(()), fallible: false };
    };
    match result_value(written) {
        Some(value) => Returned { value: quote!(#value), fallible: true },
        None => Returned { value: quote!(#written), fallible: false },
    }
}

fn result_value(written: &Type) -> Option<&Type> {
    let Type::Path(path) = written else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == "Result")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(value) => Some(value),
        _ => None,
    }
}
