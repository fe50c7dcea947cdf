class SipEndpoint:
    uri: str

def get_sip_endpoint(host: str, *, port: int, username: str) -> SipEndpoint: ...
