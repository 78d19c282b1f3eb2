//! DescribeCluster (key 60), versions 0 to 2.

use kafka_protocol::messages::BrokerId;
use kafka_protocol::messages::describe_cluster_request::DescribeClusterRequest;
use kafka_protocol::messages::describe_cluster_response::{DescribeClusterBroker, DescribeClusterResponse};
use ottla_model::ErrorCode;

use crate::handlers::{Cx, authorized, text};
use crate::reply::Handled;

/// The kind of endpoint a broker's listener is; 2 would be a controller's (KIP-919).
const BROKERS: i8 = 1;

pub(crate) fn handle(cx: &Cx<'_>, request: DescribeClusterRequest) -> Handled<DescribeClusterResponse> {
    if request.endpoint_type != BROKERS {
        let (code, what) = match request.endpoint_type {
            2 => (
                ErrorCode::MismatchedEndpointType,
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
                    .to_string(),
            ),
            other => (
                ErrorCode::UnsupportedEndpointType,
                format!("Unsupported endpoint type {other}"),
            ),
        };
        return Handled::Now(
            DescribeClusterResponse::default()
                .with_error_code(code.number())
                .with_error_message(Some(text(what)))
                .with_controller_id(BrokerId(-1))
                .with_cluster_authorized_operations(authorized::NOT_ASKED),
        );
    }
    let (host, port) = cx.broker.endpoint(cx.peer);
    let node = BrokerId(cx.broker.config.node_id);
    let broker = DescribeClusterBroker::default()
        .with_broker_id(node)
        .with_host(text(host))
        .with_port(port);
    Handled::Now(
        DescribeClusterResponse::default()
            .with_endpoint_type(BROKERS)
            .with_cluster_id(text(cx.broker.metadata.cluster_id()))
            .with_controller_id(node)
            .with_brokers(vec![broker])
            .with_cluster_authorized_operations(authorized::cluster(request.include_cluster_authorized_operations)),
    )
}
