//! `#[service]`, `#[virtual_object]` and `#[workflow]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    Attribute, FnArg, Ident, ImplItem, ItemImpl, ItemTrait, LitStr, Signature, TraitItem, Type, Visibility,
};

use crate::options::{Options, Place, documentation, optional};
use crate::signature;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Service,
    VirtualObject,
    Workflow,
}

/// How a handler relates to others of its key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Exclusive,
    Shared,
    Run,
}

/// One function marked `#[handler]` or `#[run]`.
struct Handler {
    function: Ident,
    name: LitStr,
    mode: Mode,
    options: Options,
    argument: Option<(Ident, Type)>,
    value: TokenStream,
    fallible: bool,
    documentation: Option<String>,
}

/// What the block says as a whole.
struct Service {
    kind: Kind,
    ident: Ident,
    visibility: Visibility,
    name: LitStr,
    options: Options,
    handlers: Vec<Handler>,
    documentation: Option<String>,
}

pub fn expand(kind: Kind, options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let options = Options::parse(Place::Service, options)?;
    if let Ok(item) = syn::parse2::<ItemTrait>(item.clone()) {
        return expand_trait(kind, options, &item);
    }
    let mut item: ItemImpl = syn::parse2(item)?;
    let Type::Path(path) = &*item.self_ty else {
        return Err(syn::Error::new_spanned(&item.self_ty, "expected the name of the service"));
    };
    let ident = path.path.require_ident()?.clone();
    if let Some((_, path, _)) = &item.trait_ {
        return Err(syn::Error::new_spanned(path, "expected an `impl` block without a trait"));
    }
    let mut handlers = Vec::new();
    for item in &mut item.items {
        if let ImplItem::Fn(function) = item
            && let Some(handler) = handler(kind, &mut function.attrs, &function.sig)?
        {
            handlers.push(handler);
        }
    }
    let visibility = Visibility::Public(Default::default());
    let service = service(kind, ident, visibility, options, handlers, documentation(&item.attrs))?;
    let client = service.client();
    let definition = service.definition();
    let documentation = service.documentation_attribute("A set of handlers.");
    let Service { ident, .. } = &service;
    Ok(quote! {
        #documentation
        #[derive(Debug, Clone, Copy)]
        pub struct #ident;

        #item
        #definition
        #client
    })
}

fn expand_trait(kind: Kind, options: Options, item: &ItemTrait) -> syn::Result<TokenStream> {
    let mut handlers = Vec::new();
    for item in &item.items {
        if let TraitItem::Fn(function) = item
            && let Some(handler) = handler(kind, &mut function.attrs.clone(), &function.sig)?
        {
            handlers.push(handler);
        }
    }
    let (ident, visibility) = (item.ident.clone(), item.vis.clone());
    Ok(service(kind, ident, visibility, options, handlers, documentation(&item.attrs))?.client())
}

fn service(
    kind: Kind,
    ident: Ident,
    visibility: Visibility,
    options: Options,
    handlers: Vec<Handler>,
    documentation: Option<String>,
) -> syn::Result<Service> {
    if kind == Kind::Workflow && handlers.iter().filter(|handler| handler.mode == Mode::Run).count() != 1 {
        return Err(syn::Error::new_spanned(ident, "a workflow has exactly one function marked `#[run]`"));
    }
    if handlers.is_empty() {
        return Err(syn::Error::new_spanned(ident, "no function is marked `#[handler]`"));
    }
    let name = options.name.clone().unwrap_or_else(|| LitStr::new(&ident.to_string(), ident.span()));
    Ok(Service { kind, ident, visibility, name, options, handlers, documentation })
}

/// Reads a function and removes its `#[handler]` or `#[run]`; nothing if it has none.
fn handler(
    kind: Kind,
    attributes: &mut Vec<Attribute>,
    signature: &Signature,
) -> syn::Result<Option<Handler>> {
    let is_run = |attribute: &Attribute| attribute.path().is_ident("run");
    let Some(position) =
        attributes.iter().position(|attribute| attribute.path().is_ident("handler") || is_run(attribute))
    else {
        return Ok(None);
    };
    let attribute = attributes.remove(position);
    let options = Options::of_handler(&attribute)?;
    let mode = match (kind, is_run(&attribute), options.shared) {
        (Kind::Workflow, true, false) => Mode::Run,
        (Kind::Workflow, true, true) => {
            return Err(syn::Error::new_spanned(attribute, "the run of a workflow is not shared"));
        }
        (Kind::Service | Kind::VirtualObject, true, _) => {
            return Err(syn::Error::new_spanned(attribute, "only a workflow has a run: use `#[handler]`"));
        }
        (Kind::Service, false, true) => {
            return Err(syn::Error::new_spanned(
                attribute,
                "a service has no key, so all its handlers run side by side",
            ));
        }
        // Beside its run a workflow has nothing else.
        (Kind::Workflow, false, _) | (Kind::VirtualObject, false, true) => Mode::Shared,
        (Kind::Service | Kind::VirtualObject, false, false) => Mode::Exclusive,
    };
    signature::check(signature, "a handler")?;
    let mut arguments = signature.inputs.iter();
    match arguments.next() {
        Some(FnArg::Typed(context)) if matches!(&*context.ty, Type::Reference(_)) => {}
        other => {
            let message = "the first argument of a handler is its context, such as `ctx: &Context`";
            return Err(match other {
                Some(other) => syn::Error::new_spanned(other, message),
                None => syn::Error::new_spanned(signature, message),
            });
        }
    }
    let argument = arguments.next().map(signature::argument).transpose()?;
    if let Some(extra) = arguments.next() {
        return Err(syn::Error::new_spanned(
            extra,
            "a handler takes one input; make it a struct to pass more",
        ));
    }
    let returned = signature::returned(&signature.output);
    let function = signature.ident.clone();
    Ok(Some(Handler {
        name: options.name.clone().unwrap_or_else(|| LitStr::new(&function.to_string(), function.span())),
        function,
        mode,
        options,
        argument: argument.map(|(name, ty)| (name, ty.clone())),
        value: returned.value,
        fallible: returned.fallible,
        documentation: documentation(attributes),
    }))
}

impl Service {
    fn definition(&self) -> TokenStream {
        let Self { kind, ident, name, options, handlers, documentation, .. } = self;
        let kind_tokens = match kind {
            Kind::Service => quote!(::relight::__private::Kind::Service),
            Kind::VirtualObject => quote!(::relight::__private::Kind::VirtualObject),
            Kind::Workflow => quote!(::relight::__private::Kind::Workflow),
        };
        let documentation = optional(documentation);
        let definitions = handlers.iter().map(Handler::definition);
        let arms = handlers.iter().map(|handler| handler.arm(ident, *kind));
        quote! {
            impl ::relight::__private::ServiceDefinition for #ident {
                const ENTRY: ::relight::__private::ServiceEntry = ::relight::__private::ServiceEntry {
                    name: #name,
                    define: || ::relight::__private::service_definition(
                        #name,
                        #kind_tokens,
                        ::std::vec![#(#definitions),*],
                        #documentation,
                        #options,
                    ),
                    invoke: |request| match request.handler.as_str() {
                        #(#arms)*
                        _ => ::core::option::Option::None,
                    },
                };
            }
        }
    }

    fn client(&self) -> TokenStream {
        let Self { kind, ident, visibility, name, handlers, .. } = self;
        let client = format_ident!("{ident}Client");
        let documentation = format!("Calls the handlers of `{}`.", name.value());
        let methods = handlers.iter().map(|handler| handler.client_method(name, *kind, visibility));
        let (fields, constructor) = match kind {
            Kind::Service => (
                quote!(;),
                quote! {
                    impl ::relight::ServiceClient for #client {
                        fn new() -> Self {
                            Self
                        }
                    }
                },
            ),
            Kind::VirtualObject => keyed_client(&client, &quote!(ObjectClient)),
            Kind::Workflow => keyed_client(&client, &quote!(WorkflowClient)),
        };
        quote! {
            #[doc = #documentation]
            #[derive(Debug, Clone)]
            #[allow(dead_code, reason = "not every handler is called from here")]
            #visibility struct #client #fields

            #constructor

            #[allow(dead_code, reason = "not every handler is called from here")]
            impl #client {
                #(#methods)*
            }
        }
    }

    fn documentation_attribute(&self, default: &str) -> TokenStream {
        let text = self.documentation.as_deref().unwrap_or(default);
        quote!(#[doc = #text])
    }
}

/// Fields and constructor of a client that calls the handlers of one key.
fn keyed_client(client: &Ident, of: &TokenStream) -> (TokenStream, TokenStream) {
    let constructor = quote! {
        impl ::relight::#of for #client {
            fn with_key(key: ::std::string::String) -> Self {
                Self { key }
            }
        }
    };
    (quote!({ key: ::std::string::String }), constructor)
}

impl Handler {
    fn definition(&self) -> TokenStream {
        let Self { name, mode, options, argument, value, documentation, .. } = self;
        let mode = match mode {
            Mode::Exclusive => quote!(Exclusive),
            Mode::Shared => quote!(Shared),
            Mode::Run => quote!(Workflow),
        };
        let input = match argument {
            Some((_, ty)) => quote!(::relight::__private::input::<#ty>()),
            None => quote!(::relight::__private::no_input()),
        };
        let documentation = optional(documentation);
        quote! {
            ::relight::__private::handler_definition(
                #name,
                ::relight::__private::Mode::#mode,
                (#input, ::relight::__private::output::<#value>()),
                #documentation,
                #options,
            )
        }
    }

    fn arm(&self, service: &Ident, kind: Kind) -> TokenStream {
        let Self { function, name, mode, argument, .. } = self;
        let context = match (kind, mode) {
            (Kind::Service, _) => quote!(Context),
            (Kind::VirtualObject, Mode::Shared) => quote!(SharedObjectContext),
            (Kind::VirtualObject, _) => quote!(ObjectContext),
            (Kind::Workflow, Mode::Run) => quote!(WorkflowContext),
            (Kind::Workflow, _) => quote!(SharedWorkflowContext),
        };
        let encode = if self.fallible { quote!(encode_result) } else { quote!(encode_output) };
        let argument = argument
            .as_ref()
            .map(|(_, ty)| quote!(, ::relight::__private::decode_input::<#ty>(&request.input)?));
        quote! {
            #name => ::core::option::Option::Some(::std::boxed::Box::pin(async move {
                let context = <::relight::#context as ::relight::__private::FromRequest>::from_request(&request);
                ::relight::__private::#encode(#service::#function(&context #argument).await)
            })),
        }
    }

    fn client_method(&self, service: &LitStr, kind: Kind, visibility: &Visibility) -> TokenStream {
        let Self { function, name, argument, value, documentation, .. } = self;
        let key = match kind {
            Kind::Service => quote!(::core::option::Option::None),
            Kind::VirtualObject | Kind::Workflow => quote!(::core::option::Option::Some(&self.key)),
        };
        let default = format!("Calls `{}/{}`.", service.value(), name.value());
        let documentation = documentation.as_deref().unwrap_or(&default);
        match argument {
            Some((argument, ty)) => quote! {
                #[doc = #documentation]
                #visibility fn #function(
                    &self,
                    #argument: impl ::core::borrow::Borrow<#ty>,
                ) -> ::relight::Call<#value> {
                    ::relight::__private::call::<#ty, #value>(#service, #key, #name, #argument)
                }
            },
            None => quote! {
                #[doc = #documentation]
                #visibility fn #function(&self) -> ::relight::Call<#value> {
                    ::relight::__private::no_argument::<#value>(#service, #key, #name)
                }
            },
        }
    }
}
