"""What the official SDK for Python does, against the system at HOST:PORT. Somebody is on `orders` twice, and on
`presence-lobby` as 7 and, twice, as 8; somebody has signed in as `ended`."""

import os
import unittest

import pusher
from pusher.errors import PusherBadAuth, PusherBadRequest, PusherBadStatus

HOST, PORT = os.environ["HOST"].split(":")


def client(secret="local-secret", app_id="1001"):
    return pusher.Pusher(app_id=app_id, key="local-key", secret=secret, host=HOST, port=int(PORT), ssl=False)


class ServerTest(unittest.TestCase):
    def test_it_publishes(self):
        self.assertEqual(client().trigger("orders", "created", {"id": 1}), {})
        self.assertEqual(client().trigger(["orders", "presence-lobby"], "many", "text"), {})
        self.assertEqual(client().trigger("orders", "exclusive", "naïve ☕", "1.2"), {})

    def test_it_publishes_batches(self):
        batch = [
            {"channel": "orders", "name": "batched", "data": {"n": 1}},
            {"channel": "presence-lobby", "name": "batched", "data": "2", "info": "user_count,subscription_count"},
            {"channel": "orders", "name": "batched", "data": "3", "socket_id": "1.2"},
        ]
        told = {"batch": [{}, {"user_count": 2, "subscription_count": 3}, {}]}
        self.assertEqual(client().trigger_batch(batch), told)
        self.assertEqual(client().trigger_batch(batch[::2]), {})
        with self.assertRaisesRegex(PusherBadRequest, "Batch too large"):
            client().trigger_batch([{"channel": "orders", "name": "e", "data": "1"} for _ in range(11)])

    def test_it_asks_who_is_where(self):
        channels = client().channels_info()["channels"]
        self.assertEqual(channels, {"orders": {}, "presence-lobby": {}})
        lobby = client().channels_info("presence-", ["user_count"])
        self.assertEqual(lobby, {"channels": {"presence-lobby": {"user_count": 2}}})
        self.assertEqual(client().channel_info("orders"), {"occupied": True})
        orders = client().channel_info("orders", ["subscription_count"])
        self.assertEqual(orders, {"occupied": True, "subscription_count": 2})
        lobby = client().channel_info("presence-lobby", ["user_count", "subscription_count"])
        self.assertEqual(lobby, {"occupied": True, "user_count": 2, "subscription_count": 3})
        self.assertEqual(client().channel_info("empty=@,.;"), {"occupied": False})
        self.assertEqual(client().users_info("presence-lobby"), {"users": [{"id": "7"}, {"id": "8"}]})

    def test_it_ends_the_connections_of_a_user(self):
        self.assertEqual(client().terminate_user_connections("ended"), {})
        self.assertEqual(client().terminate_user_connections("nobody=@,.;"), {})

    def test_it_is_refused(self):
        with self.assertRaises(PusherBadRequest):
            client().users_info("orders")
        with self.assertRaises(PusherBadRequest):
            client().channel_info("orders", ["user_count"])
        with self.assertRaises(PusherBadRequest):
            client().channels_info(attributes=["user_count"])
        with self.assertRaisesRegex(PusherBadStatus, "413: .*content of this event"):
            client().trigger("orders", "created", "d" * 11 * 1024)
        with self.assertRaises(PusherBadAuth):
            client(secret="another").channels_info()
        with self.assertRaisesRegex(PusherBadStatus, "404"):
            client(app_id="9").channels_info()


unittest.main(verbosity=2)
