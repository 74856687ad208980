import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Writes records with Kafka's own client, with each of the given compressions in turn. The key is
 * "key-N". The value is the name of the compression, N, and N times 20 characters.
 *
 * java JavaProducer.java BOOTSTRAP TOPIC RECORDS COMPRESSION...
 */
public class JavaProducer {
  public static void main(String[] args) throws Exception {
    int records = Integer.parseInt(args[2]);
    for (int i = 3; i < args.length; i++) produce(args[0], args[1], records, args[i]);
  }

  static void produce(String bootstrap, String topic, int records, String compression)
      throws Exception {
    Map<String, Object> settings =
        Map.of("bootstrap.servers", bootstrap, "compression.type", compression, "linger.ms", 50);
    StringSerializer text = new StringSerializer();
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings, text, text)) {
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      for (int n = 0; n < records; n++) {
        String value = compression + " " + n + " " + "x".repeat(n * 20);
        sent.add(producer.send(new ProducerRecord<>(topic, "key-" + n, value)));
      }
      for (Future<RecordMetadata> one : sent) one.get();
    }
  }
}
