//! What AWS Lambda and EventBridge do for the four functions, on one machine, with the real
//! `bootstrap` binaries.
//!
//! ```no_run
//! # async fn example(gateway: gateway::Gateway, moto_url: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use lambda::{Bus, Functions, Names, Settings, Template};
//!
//! let names = Names::new("us-east-1", "123456789012");
//! let template = Template::read("template.yaml".as_ref(), &names)?;
//! let settings = Settings::new("target/lambda", gateway.url())
//!     .logs_to(gateway::Aws::new(moto_url, "LAMBDA"))
//!     .delay_scale(0.01);
//! let functions = Functions::start(template.functions, settings)?;
//! gateway.mount("lambda", lambda::api::handler(functions.clone()));
//! let bus = Bus::new(functions.clone(), template.rules, "us-east-1", "123456789012");
//! bus.tick("TeardownFunctionSweep")?;
//! functions.idle().await;
//! # Ok(())
//! # }
//! ```

pub mod answer;
pub mod api;
pub mod bus;
pub mod cloudformation;
pub mod environment;
pub mod invoke;
pub mod logs;
pub mod pattern;
mod process;
mod report;
pub mod runtime_api;
pub mod template;

pub use answer::{Answer, ErrorKind, FunctionError};
pub use bus::{Bus, BusError, Delivery, Message};
pub use cloudformation::{Document, Names, TemplateError};
pub use invoke::{DeadLetter, Functions, InvokeError, Running, Settings, StartError};
pub use logs::LogLine;
pub use template::{FunctionSpec, Rule, Template, Trigger};
