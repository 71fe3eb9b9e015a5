//! What AWS asks for a server, from its price list.

use serde_json::{Value, json};

use super::{Desk, Hindrance};
use crate::signed::PRICING;

const PRODUCTS: &str = "pricing:GetProducts";

impl Desk {
    /// The entries of the price list for an instance type in this region: Linux, on demand, no licence.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn price_list(&self, instance_type: &str) -> Result<Value, Hindrance> {
        let region = self.clients.config.region().map(AsRef::as_ref).unwrap_or_default();
        let filters = [
            ("instanceType", instance_type),
            ("regionCode", region),
            ("operatingSystem", "Linux"),
            ("preInstalledSw", "NA"),
            ("tenancy", "Shared"),
            ("capacitystatus", "Used"),
            ("licenseModel", "No License required"),
        ]
        .map(|(field, value)| json!({"Type": "TERM_MATCH", "Field": field, "Value": value}));
        let input = json!({"ServiceCode": "AmazonEC2", "FormatVersion": "aws_v1", "Filters": filters});
        self.json(PRICING, "AWSPriceListService.GetProducts", &input, PRODUCTS, instance_type).await
    }
}
