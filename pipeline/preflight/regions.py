"""Regions that offer each accelerator, on `DATE`.

Sources, read on that date: https://cloud.google.com/tpu/docs/regions-zones for TPUs (its newest
edition leaves out v2 and v3, which the one before it listed as here) and
https://cloud.google.com/compute/docs/regions-zones/gpu-regions-zones for GPUs, shortened to regions
of https://cloud.google.com/vertex-ai/docs/general/locations. Google offers more over time: a region
that is missing here is a reason to look, and `gcloud` has the last word.
"""

DATE = "2026-11-23"

_T4 = """us-central1 us-east1 us-east4 us-west1 us-west2 us-west4 northamerica-northeast1
southamerica-east1 europe-central2 europe-west1 europe-west2 europe-west3 europe-west4 asia-east1
asia-east2 asia-northeast1 asia-northeast3 asia-south1 asia-southeast1 asia-southeast2
australia-southeast1 me-west1"""
_L4 = """us-central1 us-east1 us-east4 us-west1 us-west4 northamerica-northeast2 europe-west1
europe-west2 europe-west3 europe-west4 europe-west6 asia-east1 asia-northeast1 asia-northeast3
asia-south1 asia-southeast1 me-central2"""
_A100 = """us-central1 us-east1 us-west1 us-west3 us-west4 europe-west4 asia-northeast1
asia-northeast3 asia-southeast1 me-west1"""

TPU_V5E = ("us-central1", "us-south1", "us-west1", "us-west4", "europe-west4")

REGIONS: dict[str, tuple[str, ...]] = {
    "gpu-t4": tuple(_T4.split()),
    "gpu-l4": tuple(_L4.split()),
    "gpu-a100": tuple(_A100.split()),
    "tpu-v2-8": ("us-central1", "europe-west4", "asia-east1"),
    "tpu-v3-8": ("us-central1", "europe-west4"),
    "tpu-v5e-1": TPU_V5E,
    "tpu-v5e-4": TPU_V5E,
    "tpu-v5e-8": TPU_V5E,
}
