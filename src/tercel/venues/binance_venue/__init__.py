"""Binance Spot as a venue of a desk: orders and account over the WebSocket API, market data by streams."""

from tercel.venues.binance_venue.api import (
    LONGEST_WINDOW_MS,
    SIGNATURE,
    ErrorCode,
    Status,
    depth_weight,
    format_amount,
    hmac_signer,
    payload_text,
    sorted_payload,
)

__all__ = [
    "LONGEST_WINDOW_MS",
    "SIGNATURE",
    "ErrorCode",
    "Status",
    "depth_weight",
    "format_amount",
    "hmac_signer",
    "payload_text",
    "sorted_payload",
]
