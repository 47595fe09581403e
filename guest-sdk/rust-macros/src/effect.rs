//! `#[effect]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, Index, ItemFn, LitStr, Type};

use crate::options::{Options, Place, documentation, optional};
use crate::signature;

pub fn expand(options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let options = Options::parse(Place::Effect, options)?;
    let item: ItemFn = syn::parse2(item)?;
    signature::check(&item.sig, "an effect")?;
    let arguments = item.sig.inputs.iter().map(signature::argument).collect::<syn::Result<Vec<_>>>()?;
    let names: Vec<&Ident> = arguments.iter().map(|(name, _)| name).collect();
    let types: Vec<&Type> = arguments.iter().map(|(_, ty)| *ty).collect();

    let returned = signature::returned(&item.sig.output);
    let value = &returned.value;
    let encode = if returned.fallible { quote!(encode_result) } else { quote!(encode_output) };
    let ident = &item.sig.ident;
    let name = options.name.clone().unwrap_or_else(|| LitStr::new(&ident.to_string(), ident.span()));
    let documentation = optional(&documentation(&item.attrs));
    let (retry, timeout) = (optional(&options.retry), optional(&options.timeout));

    let visibility = &item.vis;
    let (doc_attributes, other_attributes): (Vec<_>, Vec<_>) =
        item.attrs.iter().partition(|attribute| attribute.path().is_ident("doc"));
    let (signature, body) = (&item.sig, &item.block);
    // One argument travels as itself, several as an array, none as nothing.
    let (input, packed_type) = match (names.as_slice(), types.as_slice()) {
        ([], []) => (quote!(::std::vec::Vec::new()), quote!(())),
        ([name], [ty]) => (quote!(::relight::__private::encode::<#ty>(&#name)), quote!(#ty)),
        _ => (quote!(::relight::__private::encode(&(#(#names),*))), quote!((#(#types),*))),
    };
    // Not by the arguments' own names: one of them may be called like the function.
    let (unpacked, passed) = match types.len() {
        0 => (quote!(()), quote!()),
        1 => (quote!(arguments), quote!(arguments)),
        count => {
            let places = (0..count).map(Index::from);
            (quote!(arguments), quote!(#(arguments.#places),*))
        }
    };
    Ok(quote! {
        #(#doc_attributes)*
        #visibility fn #ident(#(#names: #types),*) -> ::relight::EffectRequest<#value> {
            ::relight::EffectRequest::new(#name, #input)
        }

        #[doc(hidden)]
        #[allow(non_camel_case_types, reason = "it shares the function's name, so that `export!` finds it")]
        #[derive(Debug)]
        #visibility enum #ident {}

        impl ::relight::__private::EffectDefinition for #ident {
            const ENTRY: ::relight::__private::EffectEntry = ::relight::__private::EffectEntry {
                name: #name,
                define: || ::relight::__private::effect_definition(#name, #documentation, #retry, #timeout),
                run: |input| {
                    #(#other_attributes)*
                    #signature #body

                    ::std::boxed::Box::pin(async move {
                        let #unpacked = ::relight::__private::decode_arguments::<#packed_type>(&input)?;
                        ::relight::__private::#encode(#ident(#passed).await)
                    })
                },
            };
        }
    })
}
